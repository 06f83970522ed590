//! The fields of an OAuth app: shown for a new one and for one that exists, and read back.

use crate::app::App;
use crate::app::config::Config;
use crate::clients::registration;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Invalid;
use crate::clients::registration::Registration;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::words;
use crate::scopes::Scopes;

const GRANT_TYPES: [(&str, &str, &str); 5] = [
    (registration::AUTHORIZATION_CODE, "Authorization code", "A person allows the app to act for them."),
    (registration::REFRESH_TOKEN, "Refresh token", "Access goes on without the person being there."),
    (
        registration::CLIENT_CREDENTIALS,
        "Client credentials",
        "The app acts for itself. Only for a confidential app.",
    ),
    (
        registration::DEVICE_CODE,
        "Device code",
        "A device without a browser shows a code, and a person allows it elsewhere.",
    ),
    (
        registration::TOKEN_EXCHANGE,
        "Token exchange",
        "The app passes a part of its access on, to an agent or to another app of yours.",
    ),
];

const KINDS: [(&str, &str, &str); 2] = [
    (
        "confidential",
        "Confidential",
        "Runs on a server of yours and can keep a secret: a web application, a backend job.",
    ),
    (
        "public",
        "Public",
        "Runs where people can look inside: a phone or desktop app, a page in the browser, a command-line tool. \
         It has no secret; PKCE protects it.",
    ),
];

#[derive(Default)]
pub struct AppForm {
    pub problem: Option<String>,
    pub name: Field,
    pub homepage_url: Field,
    pub redirect_uris: Field,
    pub post_logout_redirect_uris: Field,
    pub backchannel_logout_uri: Field,
    /// Empty for an app that exists: its type stays.
    pub kinds: Vec<Choice>,
    pub grant_types: Vec<Choice>,
    /// Empty where all is well.
    pub grant_types_problem: String,
    pub scopes: Vec<OfferedScope>,
    pub scopes_problem: Option<String>,
}

pub struct OfferedScope {
    pub name: String,
    pub sentence: String,
    pub is_checked: bool,
    pub is_required: bool,
}

/// What a new app begins with: the safe and usual things.
pub fn blank(config: &Config) -> Registration {
    Registration {
        token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
        scopes: Scopes::parse("read").unwrap_or_default(),
        ..Registration::blank(config.lifetimes)
    }
}

/// `is_new`: whether the type can be chosen.
pub fn show(app: &App, registration: &Registration, is_new: bool) -> AppForm {
    let kind = if registration.is_confidential() { "confidential" } else { "public" };
    let choice = |(value, label, hint): (&str, &str, &'static str), is_checked| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        hint,
        is_checked,
    };
    let has = |name: &str| registration.grant_types.iter().any(|grant_type| grant_type == name);
    let entries = app.config.scopes.entries().iter();
    AppForm {
        name: Field::new(registration.name.as_str()),
        homepage_url: Field::new(registration.homepage_url.clone().unwrap_or_default()),
        redirect_uris: Field::new(registration.redirect_uris.join("\n")),
        post_logout_redirect_uris: Field::new(registration.post_logout_redirect_uris.join("\n")),
        backchannel_logout_uri: Field::new(registration.backchannel_logout_uri.clone().unwrap_or_default()),
        kinds: KINDS.iter().filter(|_| is_new).map(|entry| choice(*entry, entry.0 == kind)).collect(),
        grant_types: GRANT_TYPES.map(|entry| choice(entry, has(entry.0))).into(),
        scopes: entries
            .map(|entry| OfferedScope {
                name: entry.name.clone(),
                sentence: entry.sentence.clone(),
                is_checked: registration.scopes.contains(&entry.name),
                is_required: registration.required_scopes.contains(&entry.name),
            })
            .collect(),
        ..AppForm::default()
    }
}

/// What was posted, over what was there before. Not yet checked.
pub fn read(posted: &Form, before: &Registration) -> Result<Registration, PageError> {
    let optional =
        |name| posted.one(name).map(|url| Some(url.trim().to_owned()).filter(|url| !url.is_empty()));
    let unreadable = |_| PageError::bad_request("A scope in the form cannot be the name of a scope.");
    let required_scopes = Scopes::from_names(posted.all("required_scope")).map_err(unreadable)?;
    // Who ticks only “required” means both.
    let scopes =
        Scopes::from_names(posted.all("scope").chain(posted.all("required_scope"))).map_err(unreadable)?;
    let lines = |name| {
        let lines = posted.one(name)?.lines().map(str::trim);
        Ok::<_, PageError>(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
    };
    Ok(Registration {
        name: posted.one("name")?.trim().to_owned(),
        homepage_url: optional("homepage_url")?,
        redirect_uris: lines("redirect_uris")?,
        post_logout_redirect_uris: lines("post_logout_redirect_uris")?,
        backchannel_logout_uri: optional("backchannel_logout_uri")?,
        default_scopes: default_scopes(&before.default_scopes, &scopes, &required_scopes),
        scopes,
        required_scopes,
        grant_types: posted.all("grant_type").map(str::to_owned).collect(),
        ..before.clone()
    })
}

/// What the app gets when it asks for nothing: what it did before, else what it requires, else `read`, else all.
fn default_scopes(before: &Scopes, scopes: &Scopes, required: &Scopes) -> Scopes {
    let read = Scopes::parse("read").unwrap_or_default();
    let choices = [before.only_in(scopes), required.clone(), read.only_in(scopes)];
    choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or_else(|| scopes.clone())
}

/// The form again, with what is wrong beside its field.
pub fn refuse(mut form: AppForm, invalid: &Invalid) -> AppForm {
    form.problem = Some("Please look at the field marked below.".to_owned());
    let message = words::sentence(&invalid.message);
    let problem = Some(message.clone());
    match invalid.field {
        "name" => form.name.problem = problem,
        "homepage_url" => {
            form.homepage_url.problem = Some("Begins with https:// and names a host.".to_owned());
        }
        "redirect_uris" => form.redirect_uris.problem = problem,
        "post_logout_redirect_uris" => form.post_logout_redirect_uris.problem = problem,
        "backchannel_logout_uri" => form.backchannel_logout_uri.problem = problem,
        "grant_types" => form.grant_types_problem = message,
        "scopes" | "default_scopes" | "required_scopes" => form.scopes_problem = problem,
        _ => form.problem = problem,
    }
    form
}
