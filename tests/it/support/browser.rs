//! A browser without a screen: keeps cookies, fills forms in, follows nothing by itself.

use std::collections::HashMap;

use crate::support::Answer;

pub struct Browser {
    url: String,
    http: reqwest::Client,
}

/// A form on a page, with what it would send untouched.
#[derive(Debug, Clone)]
pub struct PageForm {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Browser {
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .cookie_store(true)
            .build()
            .unwrap();
        Self { url: url.to_owned(), http }
    }

    /// `path` may be a whole URL of the server, as a redirect gives it.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.absolute(path))).await
    }

    /// The CSRF token that a page has for this browser.
    pub async fn csrf(&self, page: &str) -> String {
        let page = self.get(page).await;
        field_of(&page, "csrf").unwrap_or_else(|| panic!("no form on a page with status {}", page.status))
    }

    /// Posts fields as they are, without the page that they belong to.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(self.absolute(path)).form(fields)).await
    }

    /// Loads a page and sends its form that is posted to `action`, with `changes` made.
    pub async fn submit(&self, page: &str, action: &str, changes: &[(&str, &str)]) -> Answer {
        let answer = self.get(page).await;
        let form = form_of(&answer, action);
        self.send(&form, changes).await
    }

    /// Sends a form: each change replaces the fields of its name; several changes of one name all stay.
    pub async fn send(&self, form: &PageForm, changes: &[(&str, &str)]) -> Answer {
        let untouched =
            form.fields.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let mut fields: Vec<(&str, &str)> =
            untouched.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.post(&form.action, &fields).await
    }

    pub async fn sign_in(&self, email: &str, password: &str) {
        let answer = self.submit("/login", "/login", &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }

    /// A request with this browser's cookies, to be given whatever it lacks.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), self.absolute(path))
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() }
    }
}

/// The form of a page that is posted to `action`, with whatever query, and below whatever path the issuer has.
pub fn form_of(page: &Answer, action: &str) -> PageForm {
    let forms = page.text.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap_or(rest));
    for form in forms {
        let head = form.split('>').next().unwrap_or_default();
        let target = attributes(head).remove("action").unwrap_or_default();
        let is_meant = target.split('?').next().is_some_and(|path| path.ends_with(action));
        if !is_meant {
            continue;
        }
        let inputs = form.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("button"));
        let mut fields = Vec::new();
        for tag in inputs {
            let tag_attributes = attributes(tag.split('>').next().unwrap_or_default());
            let kind = tag_attributes.get("type").map_or("text", String::as_str);
            let is_left_out = tag.starts_with("button")
                || kind == "submit"
                || tag_attributes.contains_key("disabled")
                || (matches!(kind, "checkbox" | "radio") && !tag_attributes.contains_key("checked"));
            if let (Some(name), false) = (tag_attributes.get("name"), is_left_out) {
                fields.push((name.clone(), tag_attributes.get("value").cloned().unwrap_or_default()));
            }
        }
        return PageForm { action: target, fields };
    }
    panic!("no form for {action} on a page with status {}: {}", page.status, page.text);
}

/// The value of the first input with this name or this id.
pub fn field_of(page: &Answer, name: &str) -> Option<String> {
    let inputs = page.text.split('<').filter(|tag| tag.starts_with("input"));
    let mut inputs = inputs.map(|tag| attributes(tag.split('>').next().unwrap_or_default()));
    let mut found =
        inputs.find(|input| ["name", "id"].iter().any(|key| input.get(*key).is_some_and(|n| n == name)))?;
    found.remove("value")
}

/// Good enough for our own templates: every value is in double quotes.
fn attributes(tag: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = tag;
    while let Some(start) = rest.find(char::is_whitespace) {
        rest = rest[start..].trim_start();
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let value = match rest.strip_prefix("=\"") {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                rest = &quoted[end..];
                unescape(&quoted[..end])
            }
            None => String::new(),
        };
        if !name.is_empty() {
            found.insert(name, value);
        }
    }
    found
}

/// The ampersand last, or `&#38;#34;` would be undone twice.
fn unescape(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}
