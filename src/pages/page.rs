//! A rendered template as an answer.

use askama::Template;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::gate::csrf::Csrf;
use crate::pages::error::PageError;
use crate::pages::headers::FormTarget;
use crate::pages::headers::HasScripts;
use crate::pages::headers::InlineScript;

/// A template that fails to render is our failure, never half a page.
pub struct Page<T> {
    template: T,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    form_target: Option<FormTarget>,
    has_scripts: bool,
    inline_script: Option<InlineScript>,
}

impl<T> Page<T> {
    /// A page without forms.
    pub fn new(template: T) -> Self {
        Self {
            template,
            status: StatusCode::OK,
            headers: Vec::new(),
            form_target: None,
            has_scripts: false,
            inline_script: None,
        }
    }

    /// A page with forms, whose tokens are `csrf`'s: gives the browser its half.
    pub fn with_form(template: T, csrf: &Csrf, app: &App) -> Self {
        let cookie = csrf.set_cookie(app.config.links.is_https());
        let headers = cookie.map(|cookie| (header::SET_COOKIE, cookie)).into_iter().collect();
        Self { headers, ..Self::new(template) }
    }

    /// A page that runs scripts of this server.
    #[must_use]
    pub fn with_scripts(self) -> Self {
        Self { has_scripts: true, ..self }
    }

    /// A page that runs this one script, which stands on it.
    #[must_use]
    pub fn with_inline_script(self, script: &'static str) -> Self {
        Self { inline_script: Some(InlineScript(script)), ..self }
    }

    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// In seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// Where the page's form may lead besides this server: a source expression of CSP.
    #[must_use]
    pub fn form_target(self, source: Option<String>) -> Self {
        Self { form_target: source.map(FormTarget), ..self }
    }
}

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let html = match self.template.render() {
            Ok(html) => html,
            Err(error) => return PageError::internal(error.into()).into_response(),
        };
        let mut response = (self.status, Html(html)).into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        if let Some(target) = self.form_target {
            response.extensions_mut().insert(target);
        }
        if let Some(script) = self.inline_script {
            response.extensions_mut().insert(script);
        }
        if self.has_scripts {
            response.extensions_mut().insert(HasScripts);
        }
        response
    }
}
