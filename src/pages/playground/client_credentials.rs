//! The client credentials grant (RFC 6749 §4.4).

use crate::app::App;
use crate::clients::registration::CLIENT_CREDENTIALS;
use crate::pages::playground::call;
use crate::pages::playground::call::TOKEN;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;
use crate::scopes::Scopes;

pub async fn ask(app: &App, run: &mut Run, scopes: &Scopes) {
    let mut step = Step::new("Ask for a token", "The app proves who it is, and gets a token for itself.");
    let mut form = vec![("grant_type", CLIENT_CREDENTIALS.to_owned())];
    if !scopes.is_empty() {
        form.push(("scope", scopes.to_string()));
    }
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    run.keep_tokens(step, &answer);
    // Nobody's access that could be passed on.
    run.may_pass_on = false;
}
