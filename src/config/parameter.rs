//! Headers and query parameters that every request to the feed carries.

/// A header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, as written in the file.
    pub name: String,
    /// Its value.
    pub value: ParameterValue,
}

/// The value of a header or of a query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// This text.
    Text(String),
    /// The value of the environment variable of this name. It is a secret.
    Env(String),
}
