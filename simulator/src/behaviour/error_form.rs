//! How servers write errors.

use serde::{Deserialize, Serialize};

/// The form of the bodies of errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorForm {
    /// `{"error":{"code":"404","message":"..."}}`, the form of OData.
    #[default]
    OData,
    /// `{"error":{"message":"..."}}`
    MessageOnly,
    /// The form of OData with `details`.
    Details,
    /// The form of OData with `target`, `details` and a code of five digits.
    FiveDigits,
    /// Spark's envelope and codes, such as 1024 for 503. Statuses without a code of their own
    /// have the form of OData with a number as code.
    Spark,
    /// A web page for 403, and the form of OData for others.
    PageFor403,
    /// `{"error":"invalid_grant"}` with the status 200 in place of a 401, and the form of OData
    /// for others.
    InvalidGrantWith200,
}
