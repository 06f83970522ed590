//! The server secret: configured, or made once and kept in the data directory.

use std::fs;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::ensure;

use crate::app::config::Config;
use crate::base::secret::Secret;
use crate::base::server_secret;
use crate::base::server_secret::ServerSecret;

/// 285 bits.
const LENGTH: usize = 48;

/// Fails where it can neither be read nor made.
pub fn find_or_create(config: &Config) -> anyhow::Result<ServerSecret> {
    match find(config)? {
        Some(secret) => Ok(secret),
        None => read(&create(&config.data_dir, &path(config))?, &path(config)),
    }
}

/// `None` if there is none yet. For everything but the server: a secret made in the wrong place would seal keys
/// that no server can open.
pub fn find(config: &Config) -> anyhow::Result<Option<ServerSecret>> {
    if let Some(secret) = &config.secret {
        return Ok(Some(ServerSecret::new(secret)));
    }
    let path = path(config);
    match fs::read_to_string(&path) {
        Ok(text) => read(&text, &path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn path(config: &Config) -> PathBuf {
    config.data_dir.join("secret")
}

fn read(text: &str, path: &Path) -> anyhow::Result<ServerSecret> {
    let secret = Secret::new(text.trim());
    ensure!(
        secret.expose().len() >= server_secret::MIN_LENGTH,
        "{} holds no secret: it is shorter than {} characters",
        path.display(),
        server_secret::MIN_LENGTH
    );
    Ok(ServerSecret::new(&secret))
}

/// Written whole under another name first, so that of two processes that start at once both read the same one.
fn create(folder: &Path, path: &Path) -> anyhow::Result<String> {
    create_data_dir(folder)?;
    let secret = Secret::generate("", LENGTH);
    let draft = folder.join(format!("secret.{}", Secret::generate("", 8).expose()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("cannot write {}", draft.display()))?;
    file.write_all(secret.expose().as_bytes())?;
    file.sync_all()?;
    // A link fails where the name is taken; a rename would replace what another process already uses.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot write {}", path.display()))
        }
        _ => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Not to be listed by others, but to be passed through: started by root, PostgreSQL runs inside as another user.
pub fn create_data_dir(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))
}
