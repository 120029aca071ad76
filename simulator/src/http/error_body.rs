//! The bodies of errors, as vendors write them.

use serde_json::{Value as Json, json};

use super::reply::Reply;
use crate::behaviour::ErrorForm;

/// A web page of a content delivery network.
const PAGE: &str = "<!DOCTYPE html><html><head><title>Access denied</title></head></html>";

/// Returns Spark's code for a status, if it has one. Source: sparkplatform.com, error codes.
fn spark_code(status: u16) -> Option<u32> {
    match status {
        403 => Some(1021),
        429 => Some(1550),
        503 => Some(1024),
        _ => None,
    }
}

/// Writes the body of an error in the given form.
pub fn rewrite(form: ErrorForm, reply: &mut Reply) {
    let status = reply.status;
    if status < 400 || form == ErrorForm::OData {
        return;
    }
    // A behaviour may have compressed it.
    let Ok(written) = serde_json::from_slice::<Json>(&reply.body) else {
        return;
    };
    let message = &written["error"]["message"];
    let body = match form {
        ErrorForm::MessageOnly => json!({"error": {"message": message}}),
        ErrorForm::Details => {
            json!({"error": {"code": status.to_string(), "message": message, "details": []}})
        }
        ErrorForm::FiveDigits => {
            let code = format!("{status}00");
            json!({"error": {"code": code, "message": message, "target": "Query", "details": []}})
        }
        ErrorForm::Spark => match spark_code(status) {
            Some(code) => json!({"D": {"Success": false, "Code": code, "Message": message}}),
            None => json!({"error": {"code": status, "message": message}}),
        },
        ErrorForm::PageFor403 if status == 403 => {
            reply.set("content-type", "text/html; charset=UTF-8".to_owned());
            reply.body = PAGE.into();
            return;
        }
        ErrorForm::InvalidGrantWith200 if status == 401 => {
            reply.status = 200;
            json!({"error": "invalid_grant"})
        }
        ErrorForm::OData | ErrorForm::PageFor403 | ErrorForm::InvalidGrantWith200 => return,
    };
    reply.body = body.to_string().into();
}
