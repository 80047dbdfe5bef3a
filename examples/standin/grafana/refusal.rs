//! How an answer that is not 200 looks.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

/// An answer that is not 200: Grafana puts its reason into `message`.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn new(status: u16, message: &str) -> Self {
        Self(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message.to_owned())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.1)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.0
    }

    fn error_response(&self) -> HttpResponse {
        // What the login refuses says more (recorded of 12.4.0).
        let body = match (self.0, self.1.as_str()) {
            (StatusCode::UNAUTHORIZED, "Unauthorized") => login(&self.1, "auth.unauthorized"),
            (StatusCode::UNAUTHORIZED, said) => login(said, "password-auth.failed"),
            (_, said) => json!({"message": said}),
        };
        answer(self.0.as_u16(), &body)
    }
}

fn login(message: &str, id: &str) -> Value {
    json!({"extra": null, "message": message, "messageId": id, "statusCode": 401, "traceID": ""})
}

/// A JSON answer.
pub(super) fn answer(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type("application/json; charset=UTF-8").body(body.to_string())
}
