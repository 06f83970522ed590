//! The command line: `countersign [serve] | migrate | doctor | keys | client | user | apikey | config | openapi`.
//!
//! What a script wants to read goes to standard output, everything else to standard error. Exit code 0 is
//! success, 1 a failure, 2 a wrong call.

mod create;
mod doctor;
mod keys;
mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::api::openapi;
use crate::app::config::Config;
use crate::app::config::Settings;
use crate::base::telemetry;
use crate::server::database::Database;

/// An OAuth 2.0 authorization server: one binary, one PostgreSQL.
#[derive(Parser)]
#[command(name = "countersign", version)]
struct Cli {
    /// Configuration file (TOML); environment variables count over it.
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests (what happens without a command, too)
    Serve(serve::Serve),
    /// Bring the database's schema up to date
    Migrate,
    /// Say in plain words what is wrong; with `mcp URL`, how a live server fares with MCP clients
    Doctor(doctor::Doctor),
    /// Keys that sign access tokens, and keys that derive codes and refresh tokens
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Third-party apps
    #[command(subcommand)]
    Client(create::ClientCommand),
    /// People
    #[command(subcommand)]
    User(create::UserCommand),
    /// Static API keys
    #[command(subcommand)]
    Apikey(create::ApikeyCommand),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document of the JSON interfaces
    Openapi,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration makes sense
    Check,
    /// Print every key with its meaning and the value in force, secrets redacted
    Dump,
}

pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(execute(cli));
    // The look-up of a name cannot be given up: nobody is to wait for one that is not answered.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    // Variables that are no text are none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::load(cli.config.as_deref(), environment)?;
    match cli.command.unwrap_or(Command::Serve(serve::Serve::default())) {
        Command::Config(ConfigCommand::Dump) => print(settings.dump().trim_end())?,
        Command::Config(ConfigCommand::Check) => {
            Config::try_from(settings)?;
            print("The configuration is good.")?;
        }
        Command::Openapi => {
            let config = Config::try_from(settings)?;
            print(&openapi::document(&config.links).to_pretty_json()?)?;
        }
        Command::Serve(serve) => Box::pin(serve.run(settings)).await?,
        Command::Doctor(doctor) => return Box::pin(doctor.run(settings)).await,
        Command::Migrate => {
            let (_, database) = open(settings).await?;
            let result = database.migrate().await;
            database.close().await?;
            result?;
            print("The database is up to date.")?;
        }
        Command::Keys(keys) => keys.run(settings).await?,
        Command::Client(create::ClientCommand::Create(create)) => create.run(settings).await?,
        Command::User(create::UserCommand::Create(create)) => create.run(settings).await?,
        Command::Apikey(create::ApikeyCommand::Create(create)) => create.run(settings).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// For the commands that work beside a running server, on the same database.
async fn open(settings: Settings) -> anyhow::Result<(Config, Database)> {
    let config = Config::try_from(settings)?;
    telemetry::init("warn", false, std::io::stderr)?;
    let database = Database::open_beside_server(&config).await?;
    Ok((config, database))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nothing is left to do if standard error is gone, too.
    let _ = writeln!(std::io::stderr(), "countersign: {error:#}");
    ExitCode::FAILURE
}
