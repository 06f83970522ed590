//! Refreshing (RFC 6749 §6), and what a server is to make of a refresh token that comes again.

use crate::app::App;
use crate::clients::registration::REFRESH_TOKEN;
use crate::pages::playground::call;
use crate::pages::playground::call::TOKEN;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;

pub async fn refresh(app: &App, run: &mut Run, newest: String) {
    let step = Step::new("Refresh", "The refresh token is used up, and answered with a new one.");
    present(app, run, step, newest).await;
}

pub async fn retry(app: &App, run: &mut Run, previous: String) {
    let explanation = "Shortly after, and while its successor is unused, the same successor comes back: an answer was \
                       lost. Otherwise somebody has copied it, and the grant is revoked.";
    present(app, run, Step::new("Use the previous refresh token", explanation), previous).await;
}

pub async fn replay(app: &App, run: &mut Run, first: String) {
    let explanation = "Its successor was used since, so two parties have it: the grant is revoked.";
    present(app, run, Step::new("Use the first refresh token", explanation), first).await;
}

async fn present(app: &App, run: &mut Run, mut step: Step, token: String) {
    let form = vec![("grant_type", REFRESH_TOKEN.to_owned()), ("refresh_token", token)];
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    run.keep_tokens(step, &answer);
}
