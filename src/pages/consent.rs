//! The consent page, which the authorization endpoint shows: what an app asks for, in plain words. The page for devices
//! shares all but what is special to a way back through the browser.

use askama::Template;
use url::Host;
use url::Url;

use crate::app::App;
use crate::clients::client::Client;
use crate::clients::redirect_uri;
use crate::clients::registration;
use crate::gate::csrf::Csrf;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::grants::grant::EarlierConsent;
use crate::organizations::member::Role;
use crate::organizations::organization::Organization;
use crate::pages::page::Page;
use crate::pages::parts::AppFace;
use crate::pages::parts::Choice;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::words;
use crate::scopes::Scopes;

/// What every consent page shows (`layouts/consent.html`), whichever way the app came to ask.
pub struct Question {
    pub(super) csrf: String,
    /// Where the form is posted to.
    pub(super) action: String,
    pub(super) app: AppFace,
    /// Who asks: the app by its name or, if nobody knows whose that is, by where it is.
    pub(super) asker: String,
    pub(super) unverified: Option<Unverified>,
    /// What the app says of itself elsewhere.
    pub(super) links: Vec<Link>,
    pub(super) issuer_host: String,
    pub(super) email: String,
    pub(super) switch_account_url: String,
    pub(super) organizations: Vec<Choice>,
    pub(super) groups: Vec<ScopeGroup>,
    pub(super) resources: Vec<String>,
    pub(super) duration: String,
}

#[derive(Template)]
#[template(path = "pages/consent.html")]
pub struct Consent {
    asked: Question,
    /// To whom the browser goes afterwards, in words.
    destination: String,
    earlier: Option<Earlier>,
}

/// Of an app that registered itself, and for which nobody vouches.
pub(super) struct Unverified {
    /// Other programs on the person's machine could get the answer, too.
    pub(super) is_local: bool,
}

pub(super) struct ScopeGroup {
    pub(super) title: Option<&'static str>,
    pub(super) scopes: Vec<AskedScope>,
}

pub(super) struct AskedScope {
    pub(super) name: String,
    pub(super) sentence: String,
    pub(super) is_required: bool,
    pub(super) is_dangerous: bool,
    pub(super) is_new: bool,
}

struct Earlier {
    when: Moment,
    asks_for_more: bool,
}

/// A request that a person is to decide on.
pub struct Asked<'a> {
    pub client: &'a Client,
    pub signed_in: &'a SignedIn,
    /// In each of the person's organizations.
    pub roles: &'a [Role],
    pub scopes: &'a Scopes,
    pub resources: &'a [String],
    /// `None` where no browser is sent back with an answer.
    pub redirect_uri: Option<&'a str>,
    /// In the organization that is offered first; the newest first.
    pub earlier: &'a [EarlierConsent],
    /// Where the form is posted to.
    pub action: &'a str,
    /// The path and query to which another account returns.
    pub here: &'a str,
}

/// Of an authorization request.
pub fn page(app: &App, csrf: &Csrf, asked: &Asked<'_>) -> Page<Consent> {
    let consent = Consent {
        asked: question(app, csrf, asked),
        destination: asked.redirect_uri.map(destination).unwrap_or_default(),
        earlier: asked.earlier.first().map(|earlier| Earlier {
            when: words::date(earlier.created_at),
            asks_for_more: asked.scopes.iter().any(|name| is_new(asked, name)),
        }),
    };
    Page::with_form(consent, csrf, app).form_target(asked.redirect_uri.and_then(redirect_uri::csp_source))
}

pub(super) fn question(app: &App, csrf: &Csrf, asked: &Asked<'_>) -> Question {
    let registration = &asked.client.registration;
    Question {
        csrf: csrf.token(),
        action: asked.action.to_owned(),
        app: AppFace {
            name: registration.name.clone(),
            initials: words::initials(&registration.name),
            publisher: asked.client.publisher.clone().unwrap_or_else(|| home(asked)),
            is_reviewed: asked.client.is_reviewed,
        },
        asker: asker(asked),
        unverified: (!asked.client.is_vouched_for()).then(|| Unverified {
            is_local: asked.redirect_uri.is_some_and(|uri| !redirect_uri::is_on_the_web(uri)),
        }),
        links: links(asked),
        issuer_host: app.config.links.host().to_owned(),
        email: asked.signed_in.user.email.clone(),
        switch_account_url: session::sign_in_url(asked.here),
        organizations: organizations(asked),
        groups: groups(app, asked),
        resources: asked.resources.to_vec(),
        duration: duration(asked.client, asked.scopes),
    }
}

/// What of `scopes` a person with these roles may give at all: nobody can let an app do what they may not do
/// themselves.
pub fn offered(scopes: &Scopes, roles: &[Role]) -> Scopes {
    if roles.iter().any(|role| role.may_give(scopes) == *scopes) {
        return scopes.clone();
    }
    scopes.without_admin()
}

/// Whoever registered itself is known by the host that describes it, or that it sends people to.
fn home(asked: &Asked<'_>) -> String {
    let url = asked.client.metadata_url.as_deref().or(asked.redirect_uri);
    url.map_or_else(|| "somebody unknown".to_owned(), redirect_uri::host_for_people)
}

fn asker(asked: &Asked<'_>) -> String {
    if asked.client.is_vouched_for() {
        return asked.client.registration.name.clone();
    }
    let is_at_host =
        asked.client.metadata_url.is_some() || asked.redirect_uri.is_some_and(redirect_uri::is_on_the_web);
    match asked.redirect_uri.map(Url::parse) {
        _ if is_at_host => format!("An app at {}", home(asked)),
        None => "An unknown app".to_owned(),
        Some(Ok(url)) if url.has_host() && url.scheme().starts_with("http") => {
            "A program on this computer".to_owned()
        }
        Some(_) => "An app on this device".to_owned(),
    }
}

/// Of an app that registered itself only pages that are where the app itself is (RFC 7591 §5): at the host that describes
/// it, or that the person will be sent to.
fn links(asked: &Asked<'_>) -> Vec<Link> {
    let registration = &asked.client.registration;
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let is_own = |url: &str| {
        let mut own = asked.client.metadata_url.iter().map(String::as_str).chain(asked.redirect_uri);
        !asked.client.registered_itself()
            || own.any(|own| redirect_uri::is_on_the_web(own) && host(own) == host(url))
    };
    let homepage = registration.homepage_url.iter();
    let homepage = homepage.map(|url| Link::new(url, redirect_uri::host_for_people(url)));
    let policy = registration.policy_uri.iter().map(|url| Link::new(url, "Privacy"));
    let terms = registration.tos_uri.iter().map(|url| Link::new(url, "Terms"));
    homepage.chain(policy).chain(terms).filter(|link| is_own(&link.url)).collect()
}

/// With the person's role, where there are several to choose from.
fn organizations(asked: &Asked<'_>) -> Vec<Choice> {
    let organizations = &asked.signed_in.organizations;
    let choice = |(index, (organization, role)): (usize, (&Organization, &Role))| Choice {
        value: organization.id.to_string(),
        label: if organizations.len() == 1 {
            organization.name.clone()
        } else {
            format!("{} ({role})", organization.name)
        },
        hint: if role.may_give(asked.scopes) == *asked.scopes {
            ""
        } else {
            "As a member you cannot give full control here."
        },
        is_checked: index == 0,
    };
    organizations.iter().zip(asked.roles).enumerate().map(choice).collect()
}

/// In the catalogue's order, each group where its first scope stands. A title over a single line would only
/// repeat it: where all groups are so short, they are one.
fn groups(app: &App, asked: &Asked<'_>) -> Vec<ScopeGroup> {
    let mut groups: Vec<ScopeGroup> = Vec::new();
    for entry in
        app.config.scopes.entries_for_people().iter().filter(|entry| asked.scopes.contains(&entry.name))
    {
        let scope = AskedScope {
            name: entry.name.clone(),
            sentence: entry.sentence.clone(),
            is_required: asked.client.requires(&entry.name),
            is_dangerous: entry.is_dangerous,
            is_new: !asked.earlier.is_empty() && is_new(asked, &entry.name),
        };
        match groups.iter_mut().find(|group| group.title == Some(entry.group)) {
            Some(group) => group.scopes.push(scope),
            None => groups.push(ScopeGroup { title: Some(entry.group), scopes: vec![scope] }),
        }
    }
    if groups.iter().any(|group| group.scopes.len() > 1) || groups.is_empty() {
        return groups;
    }
    let scopes = groups.into_iter().flat_map(|group| group.scopes).collect();
    vec![ScopeGroup { title: None, scopes }]
}

fn is_new(asked: &Asked<'_>, name: &str) -> bool {
    !asked.earlier.iter().any(|earlier| earlier.scopes.contains(name))
}

/// A program on the person's own machine has no host of its own (RFC 8252 §7).
fn destination(redirect_uri: &str) -> String {
    let host = redirect_uri::host_for_people(redirect_uri);
    let Ok(url) = Url::parse(redirect_uri) else { return host };
    if !matches!(url.scheme(), "http" | "https") {
        return format!("the app on this device that opens {host}");
    }
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if is_loopback { format!("a program on this computer ({host})") } else { host }
}

fn duration(client: &Client, scopes: &Scopes) -> String {
    let lifetimes = client.registration.lifetimes;
    if !client.has_grant_type(registration::REFRESH_TOKEN) {
        return format!("Access ends by itself after {}.", words::duration(lifetimes.access_token));
    }
    let end = if client.ends_with_session(scopes) { "sign out here" } else { "take it back" };
    format!(
        "Access lasts until you {end}. It ends by itself after {} without use, at the latest after {}.",
        words::duration(lifetimes.refresh_token_idle),
        words::duration(lifetimes.refresh_token_max),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_named_as_a_person_knows_it() {
        for (uri, says) in [
            ("https://app.example.com/callback", "app.example.com"),
            ("http://127.0.0.1:51004/callback", "a program on this computer (127.0.0.1)"),
            ("com.example.app:/callback", "the app on this device that opens com.example.app:"),
            ("cursor://localhost/callback", "the app on this device that opens cursor:"),
        ] {
            assert_eq!(destination(uri), says);
        }
    }
}
