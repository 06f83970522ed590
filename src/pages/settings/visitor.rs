//! Who looks at the settings: a signed-in person, or one who may also manage the organization.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use tower_sessions::Session;

use crate::accounts::user::User;
use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::Actor;
use crate::gate::csrf::Csrf;
use crate::gate::provenance::Provenance;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization::Organization;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::settings::ACCOUNT;
use crate::pages::settings::ADMINISTRATION;
use crate::pages::settings::Frame;
use crate::pages::settings::SECTIONS;
use crate::pages::settings::Section;
use crate::scopes::ADMIN;

/// Under which name a notice waits in the session for the next page.
const NOTICE: &str = "notice";

/// Any signed-in person who belongs to an organization.
pub struct Visitor {
    pub signed_in: SignedIn,
    pub session: Session,
    /// What the visitor does, as the audit log will tell it.
    pub act: Act,
    csrf: Csrf,
    role: Role,
}

/// An owner or admin of the organization that the pages are about.
pub struct Manager(pub Visitor);

impl Visitor {
    pub fn user(&self) -> &User {
        &self.signed_in.user
    }

    pub fn organization(&self) -> &Organization {
        &self.signed_in.organizations[0]
    }

    /// In the organization that the pages are about.
    pub fn role(&self) -> Role {
        self.role
    }

    pub fn may_manage(&self) -> bool {
        self.role.scopes().satisfies(ADMIN)
    }

    /// For the section at `url`. Takes the notice, so that it is shown once.
    pub async fn frame(&self, url: &str) -> Result<Frame, PageError> {
        let may_manage = self.may_manage();
        let administration = self.user().is_superadmin.then_some(ADMINISTRATION);
        let sections = SECTIONS.into_iter().filter(|section| may_manage || !section.is_for_managers);
        let sections = sections.chain(administration);
        Ok(Frame {
            sections: sections.map(|section| Section { is_current: section.url == url, ..section }).collect(),
            organization: self.organization().name.clone(),
            organizations: self.organizations(),
            email: self.user().email.clone(),
            csrf: self.csrf.token(),
            notice: self.take_notice().await?,
        })
    }

    fn organizations(&self) -> Vec<Choice> {
        let organizations = &self.signed_in.organizations;
        let choice = |organization: &Organization| Choice {
            value: organization.id.to_string(),
            label: organization.name.clone(),
            hint: "",
            is_checked: organization.id == self.organization().id,
        };
        if organizations.len() > 1 { organizations.iter().map(choice).collect() } else { Vec::new() }
    }

    /// A page without a notice leaves the session alone: a write would put back what another request is changing.
    async fn take_notice(&self) -> Result<Option<String>, PageError> {
        let notice = session::read(&self.session, NOTICE).await?;
        if notice.is_some() {
            self.session.remove_value(NOTICE).await?;
        }
        Ok(notice)
    }

    /// Leaves words on what was just done for the next page that this person sees.
    pub async fn notify(&self, words: impl Into<String>) -> Result<(), PageError> {
        leave_notice(&self.session, words.into()).await
    }

    /// Saved at once: what fails after the handler could not be told on a page.
    pub async fn keep(&self, name: &str, value: String) -> Result<(), PageError> {
        self.session.insert(name, value).await?;
        Ok(self.session.save().await?)
    }

    pub fn page<T>(&self, app: &App, template: T) -> Page<T> {
        Page::with_form(template, &self.csrf, app)
    }

    pub fn csrf(&self) -> &Csrf {
        &self.csrf
    }
}

/// For the next page of the settings that the person sees.
pub async fn leave_notice(session: &Session, words: String) -> Result<(), PageError> {
    let left = async {
        session.insert(NOTICE, words).await?;
        session.save().await
    };
    left.await.map_err(|error| PageError::from(error).although_done())
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let signed_in = <SignedIn as FromRequestParts<App>>::from_request_parts(parts, app)
            .await
            .map_err(IntoResponse::into_response)?;
        let csrf = Csrf::of(parts, app).await.map_err(|error| PageError::from(error).into_response())?;
        let Some(session) = parts.extensions.get::<Session>().cloned() else {
            return Err(PageError::internal(anyhow::anyhow!("no session layer")).into_response());
        };
        if signed_in.organizations.is_empty() {
            let url = session::new_organization_url(parts.uri.path());
            return Err(Redirect::to(&url).into_response());
        }
        let role = find_role(app, &signed_in).await.map_err(IntoResponse::into_response)?;
        let Ok(provenance) = Provenance::from_request_parts(parts, app).await;
        let act = provenance.act(Actor::user(signed_in.user.id, &signed_in.user.email));
        Ok(Self { signed_in, session, act, csrf, role })
    }
}

async fn find_role(app: &App, signed_in: &SignedIn) -> Result<Role, PageError> {
    let mut db = app.db.acquire().await?;
    let role = member::find_role(&mut db, signed_in.organizations[0].id, signed_in.user.id).await?;
    // Whoever was removed between two queries is a stranger.
    role.ok_or_else(|| StatusCode::FORBIDDEN.into())
}

impl FromRequestParts<App> for Manager {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        if visitor.may_manage() {
            return Ok(Self(visitor));
        }
        let sentence = format!(
            "Only an owner or admin of {} can manage its keys and apps.",
            visitor.organization().name
        );
        Err(PageError::forbidden(sentence).way_on(ACCOUNT, "To your account").into_response())
    }
}
