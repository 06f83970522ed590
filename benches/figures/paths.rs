//! The paths that are held against a server that does nothing.

use std::time::Duration;

use countersign::base::clock::Clock;

use crate::bench::Bench;
use crate::credentials;
use crate::load::CONNECTIONS;
use crate::load::Lanes;
use crate::load::Run;
use crate::requests;
use crate::server::Server;
use crate::tenants;

/// Of forward-auth, with each of the keys in use.
pub fn verifying(bench: &Bench) -> Lanes {
    let keys = bench.population.in_use().map(credentials::api_key);
    Lanes::repeated(keys.map(|key| requests::verify(&key)).collect(), CONNECTIONS)
}

/// The answer is that of forward-auth with keys.
pub async fn measure(bench: &mut Bench, server: &Server, signature: Duration) -> anyhow::Result<Run> {
    let verifying = verifying(bench);
    let run = against_get(bench, server, ("/v1/auth/verify, API key", 0.75), &verifying).await?;
    let testing = lanes(bench.population.in_use().map(|number| {
        let key = credentials::api_key(number);
        requests::get("/v1/auth/test", &key)
    }));
    against_get(bench, server, ("/v1/auth/test, API key", 0.75), &testing).await?;

    let tokens = access_tokens(bench)?;
    let verifying = lanes(tokens.iter().map(|(_, token)| requests::verify(token)));
    against_get(bench, server, ("/v1/auth/verify, access token", 0.6), &verifying).await?;
    let testing = lanes(tokens.iter().map(|(_, token)| requests::get("/v1/auth/test", token)));
    against_get(bench, server, ("/v1/auth/test, access token", 0.6), &testing).await?;

    let introspecting = lanes(tokens.iter().map(|(number, token)| {
        let tenant = tenants::of(&bench.tenants, *number);
        requests::form("/oauth/introspect", tenant, &format!("token={token}"))
    }));
    let (run_of_introspection, hello) =
        noted(bench, server, "/oauth/introspect, access token", &introspecting).await?;
    let reference = ("H(POST)", hello.rate());
    bench.table.push_rate("/oauth/introspect, access token", 0.6, run_of_introspection.rate(), reference);

    let path = "client_credentials, ES256";
    let (issuing, hello) = noted(bench, server, path, &client_credentials(bench, CONNECTIONS)).await?;
    let reference = 1.0 / (1.0 / hello.rate() + signature.as_secs_f64());
    bench.table.push_rate(path, 0.8, issuing.rate(), ("1/(1/H(POST) + S)", reference));
    Ok(run)
}

/// Of every app.
pub fn client_credentials(bench: &Bench, connections: usize) -> Lanes {
    let requests = bench
        .tenants
        .iter()
        .map(|tenant| requests::form("/oauth/token", tenant, "grant_type=client_credentials&scope=read"));
    Lanes::repeated(requests.collect(), connections)
}

fn lanes(requests: impl Iterator<Item = Vec<u8>>) -> Lanes {
    Lanes::repeated(requests.collect(), CONNECTIONS)
}

/// Of the grants in use, each with its number.
fn access_tokens(bench: &Bench) -> anyhow::Result<Vec<(u64, String)>> {
    let now = Clock::System.now();
    let numbers = bench.population.in_use();
    numbers.map(|number| Ok((number, bench.credentials.access_token(&bench.tenants, number, now)?))).collect()
}

async fn against_get(
    bench: &mut Bench,
    server: &Server,
    (path, goal): (&str, f64),
    lanes: &Lanes,
) -> anyhow::Result<Run> {
    let (run, hello) = noted(bench, server, path, lanes).await?;
    bench.table.push_rate(path, goal, run.rate(), ("H(GET)", hello.rate()));
    Ok(run)
}

async fn noted(bench: &mut Bench, server: &Server, path: &str, lanes: &Lanes) -> anyhow::Result<(Run, Run)> {
    let (run, hello) = bench.beside_hello(server, lanes).await?;
    bench.table.note(path, &run);
    bench.table.note("  hello-world", &hello);
    Ok((run, hello))
}
