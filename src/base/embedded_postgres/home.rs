//! The folder that a cluster lives in, and the user that it runs as.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::Permissions;
use std::fs::TryLockError;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::bail;
use anyhow::ensure;

/// Where root's clusters live whose own folder is closed to every other user.
const ELSEWHERE: &str = "/var/lib/countersign";

/// The folder with the data, in its home.
pub(super) const CLUSTER: &str = "cluster";

/// Exists once per folder and process: it holds the lock.
#[derive(Debug)]
pub(super) struct Home {
    /// Absolute, without symlinks.
    pub(super) path: PathBuf,
    owner: Owner,
    _lock: File,
}

/// Who owns the cluster and runs PostgreSQL, which refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    /// Set when we are root and have to become this user.
    switch_to_group: Option<u32>,
}

impl Home {
    /// Makes the folder if need be and locks it.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        // Without a trailing slash, or a symlink could not take its place.
        let dir = dir.components().collect::<PathBuf>();
        let uid = effective_uid()?;
        forget_lost_symlink(&dir)?;
        // Another user has to get through to the cluster, but need not see what else is there.
        let mode = if uid == 0 { 0o711 } else { 0o700 };
        make_folders(&dir, mode)?;

        let mut path = fs::canonicalize(&dir).with_context(|| format!("opening {}", dir.display()))?;
        let owner = Owner::of(&path, uid)?;
        if !owner.reaches(&path)? {
            path = move_elsewhere(&dir, &path, owner)?;
        }
        let lock = lock(&path)?;
        Ok(Self { path, owner, _lock: lock })
    }

    /// Runs as the cluster's owner, in this folder, with nothing of our environment but where programs are found:
    /// our secrets may be in it, and `PG…` and `LC_…` would steer PostgreSQL.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.owner.command(program.as_ref());
        // PostgreSQL on macOS wants a locale. The time zone saves `initdb` the search for the machine's.
        command.current_dir(&self.path).env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Makes sure that the folder exists and nobody but the cluster's owner can enter it.
    pub(super) fn private_folder(&self, path: &Path) -> anyhow::Result<()> {
        make_folder(path, 0o700)?;
        // In /tmp, somebody else may have been there first.
        let found = fs::symlink_metadata(path)?;
        let is_ours =
            found.uid() == self.owner.uid || found.uid() == 0 && self.owner.switch_to_group.is_some();
        ensure!(
            found.is_dir() && is_ours && found.mode() & 0o777 == 0o700,
            "{} is in the way: not a folder of mode 0700 that belongs to uid {}",
            path.display(),
            self.owner.uid,
        );
        if let Some(gid) = self.owner.switch_to_group {
            chown(path, Some(self.owner.uid), Some(gid))?;
        }
        Ok(())
    }
}

impl Owner {
    /// Root leaves a cluster to whoever owns it, and a new one to `postgres` or `nobody`.
    fn of(home: &Path, our_uid: u32) -> anyhow::Result<Self> {
        if our_uid != 0 {
            return Ok(Self { uid: our_uid, switch_to_group: None });
        }
        for folder in [&home.join(CLUSTER), home] {
            match fs::metadata(folder) {
                Ok(found) if found.uid() != 0 => {
                    return Ok(Self { uid: found.uid(), switch_to_group: Some(found.gid()) });
                }
                _ => {}
            }
        }
        // It may have been made beforehand, closed to everybody but root.
        fs::set_permissions(home, Permissions::from_mode(fs::metadata(home)?.mode() | 0o011))?;
        let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        let (uid, gid) = ["postgres", "nobody"]
            .iter()
            .find_map(|name| find_user(&users, name))
            .context("PostgreSQL cannot run as root, and there is no user `postgres` or `nobody`")?;
        Ok(Self { uid, switch_to_group: Some(gid) })
    }

    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(gid) = self.switch_to_group {
            command.uid(self.uid).gid(gid);
        }
        command
    }

    fn reaches(self, folder: &Path) -> anyhow::Result<bool> {
        match self.command("/bin/sh".as_ref()).args(["-c", "exit"]).current_dir(folder).status() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error).with_context(|| format!("opening {}", folder.display())),
        }
    }
}

/// Asks a program, because asking the system takes `unsafe`.
fn effective_uid() -> anyhow::Result<u32> {
    let answer = Command::new("id").arg("-u").output().context("running `id -u`")?;
    String::from_utf8_lossy(&answer.stdout).trim().parse().context("reading the answer of `id -u`")
}

fn find_user(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields =
        users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Leaves alone what exists already.
fn make_folders(path: &Path, mode: u32) -> anyhow::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        make_folder(folder, mode)?;
        // The umask may have taken something away.
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Somebody may have been quicker.
fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("creating {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn lock(home: &Path) -> anyhow::Result<File> {
    let path = home.join("server.lock");
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another server is already running on {}; stop it or use another data_dir", home.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Opens a file to write at its end. Nobody else may read it, or lock it.
pub(super) fn open_private(path: &Path) -> anyhow::Result<File> {
    let opened = File::options().create(true).append(true).mode(0o600).open(path);
    opened.with_context(|| format!("opening {}", path.display()))
}

/// Replaces `dir` with a symlink to a folder that the owner can reach.
fn move_elsewhere(dir: &Path, path: &Path, owner: Owner) -> anyhow::Result<PathBuf> {
    let place = Path::new(ELSEWHERE).join(short_name(path));
    let closed = || format!("{} is closed to PostgreSQL, which cannot run as root", path.display());
    make_folders(&place, 0o711)?;
    ensure!(owner.reaches(&place)?, "{}, and so is {ELSEWHERE}", closed());
    fs::remove_dir(dir).with_context(closed)?;
    symlink(&place, dir)?;
    tracing::info!("{}: the database lives in {}", closed(), place.display());
    Ok(place)
}

/// A container that was made anew may have kept the symlink and lost what it led to.
fn forget_lost_symlink(dir: &Path) -> anyhow::Result<()> {
    let leads_elsewhere = fs::read_link(dir).is_ok_and(|target| target.starts_with(ELSEWHERE));
    if leads_elsewhere && !dir.exists() {
        tracing::warn!("the database that {} led to is gone: making a new one", dir.display());
        fs::remove_file(dir)?;
    }
    Ok(())
}

/// The same for the same folder.
pub(super) fn short_name(path: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::find_user;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\npostgres-old:x:7:8::/:\npostgres:x:101:104:,,,:/var:/bin/sh\n";
        assert_eq!(find_user(users, "postgres"), Some((101, 104)));
        assert_eq!(find_user(users, "nobody"), None);
    }
}
