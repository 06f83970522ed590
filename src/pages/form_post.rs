//! The page that carries an authorization answer to an app as a posted form (OAuth 2.0 Form Post Response Mode §2): by
//! itself or, where scripts do not run, by a button.

use askama::Template;

use crate::clients::redirect_uri;
use crate::pages::page::Page;

/// As it stands on the page, to the letter: it runs because of its hash.
const SCRIPT: &str = "document.forms[0].submit()";

#[derive(Template)]
#[template(path = "pages/form_post.html")]
pub struct FormPost {
    redirect_uri: String,
    /// To whom the browser goes, in words.
    host: String,
    fields: Vec<(&'static str, String)>,
    script: &'static str,
}

/// The redirect URI is proven, and one of http or https.
pub fn page(redirect_uri: &str, fields: Vec<(&'static str, String)>) -> Page<FormPost> {
    let page = FormPost {
        redirect_uri: redirect_uri.to_owned(),
        host: redirect_uri::host_for_people(redirect_uri),
        fields,
        script: SCRIPT,
    };
    Page::new(page).with_inline_script(SCRIPT).form_target(redirect_uri::csp_source(redirect_uri))
}
