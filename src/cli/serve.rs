//! `countersign serve`

use clap::Args;

use crate::app::config::Config;
use crate::app::config::Settings;
use crate::base::log_writer::LogWriter;
use crate::base::telemetry;
use crate::server::run;
use crate::server::run::Started;

#[derive(Args, Default)]
pub(super) struct Serve {
    /// Create a demo organization on the given database, too
    #[arg(long)]
    demo: bool,
}

impl Serve {
    pub(super) async fn run(self, mut settings: Settings) -> anyhow::Result<()> {
        if self.demo {
            settings.demo = Some(true);
        }
        let config = Config::try_from(settings)?;
        let (writer, _rest) = LogWriter::start()?;
        telemetry::init(&config.log, config.log_as_json, writer)?;
        Box::pin(run::serve(config, greet)).await
    }
}

/// For the person in front of the terminal.
fn greet(config: &Config, started: &Started) {
    let issuer = config.links.issuer();
    tracing::info!(address = %started.address, issuer, "listening");
    let Some(demo) = &started.demo else { return };
    let playground = if config.playground {
        format!("\n  Walk a flow          {}\n", config.links.to("/playground"))
    } else {
        String::new()
    };
    // Nobody reads it: then it need not be written.
    let _ = super::print(&format!("\nCountersign is at {issuer}\n\n{}{playground}", demo.text()));
}
