//! One scenario's own folder, ports and processes.

use crate::{Result, which};
use std::{
    fs::{self, File},
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

/// Below the range from which systems take ports for outgoing connections.
static NEXT_PORT: AtomicU16 = AtomicU16::new(21_000);
const LAST_PORT: u16 = 31_000;
/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Ends its processes and removes its folder when it goes away; `KEEP=1` keeps the folder.
pub(crate) struct Lab {
    dir: PathBuf,
    templates: PathBuf,
    voip: PathBuf,
    children: Vec<Child>,
}

impl Lab {
    pub(crate) fn new(name: &str, templates: PathBuf, voip: PathBuf) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("voip-interop-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, templates, voip, children: Vec::new() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the templates lie.
    pub(crate) fn template(&self, name: &str) -> PathBuf {
        self.templates.join(name)
    }

    /// Our command, with its output as events.
    pub(crate) fn voip(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.voip);
        command
            .arg("--json")
            .args(args)
            .env_remove("SIP_AOR")
            .env_remove("SIP_PASSWORD")
            .current_dir(&self.dir);
        command
    }

    /// Writes a template into the folder, with each `@KEY@` replaced.
    pub(crate) fn fill(&self, template: &str, name: &str, values: &[(&str, &str)]) -> Result<PathBuf> {
        let file = self.templates.join(template);
        let mut text = fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        for (key, value) in values {
            text = text.replace(&format!("@{key}@"), value);
        }
        let target = self.path(name);
        fs::write(&target, text)?;
        Ok(target)
    }

    /// Starts a process in the background; its output goes to `NAME.out` and `NAME.err`. Gives its index.
    pub(crate) fn spawn(&mut self, name: &str, command: &mut Command) -> Result<usize> {
        let (out, err) = (self.path(&format!("{name}.out")), self.path(&format!("{name}.err")));
        command
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(File::create(out)?)
            .stderr(File::create(err)?);
        self.children.push(command.spawn().map_err(|why| format!("{name}: {why}"))?);
        Ok(self.children.len() - 1)
    }

    /// The system's number of a process of ours.
    pub(crate) fn pid(&self, index: usize) -> Option<u32> {
        self.children.get(index).map(Child::id)
    }

    /// Waits for a process of ours; gives its exit code.
    pub(crate) fn wait(&mut self, index: usize, limit: Duration) -> Result<i32> {
        let child = self.children.get_mut(index).ok_or("no such process")?;
        wait(child, limit)?.ok_or_else(|| format!("still running after {} s", limit.as_secs()).into())
    }

    /// Asks a process to end as Ctrl-C would; gives its exit code.
    pub(crate) fn interrupt(&mut self, index: usize) -> Result<i32> {
        let child = self.children.get_mut(index).ok_or("no such process")?;
        signal(child, "INT");
        wait(child, GRACE)?.ok_or_else(|| "did not end on an interrupt".into())
    }

    /// Waits until the text shows up in a file of the folder.
    pub(crate) fn wait_for(&mut self, file: &str, text: &str, limit: Duration) -> Result {
        let path = self.path(file);
        let found = until(limit, || fs::read_to_string(&path).is_ok_and(|content| content.contains(text)));
        if found { Ok(()) } else { Err(format!("no {text:?} in {file} within {} s", limit.as_secs()).into()) }
    }

    /// The last lines of what a process wrote to stderr and stdout, for a failure's message.
    pub(crate) fn tail(&self, name: &str) -> String {
        let read = |end: &str| fs::read_to_string(self.path(&format!("{name}.{end}"))).unwrap_or_default();
        let last = |text: String| text.lines().rev().take(4).map(str::to_owned).collect::<Vec<_>>();
        let lines = last(read("err")).into_iter().chain(last(read("out")));
        lines.map(|line| line.chars().take(300).collect::<String>()).collect::<Vec<_>>().join(" ⏎ ")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            if matches!(child.try_wait(), Ok(None)) {
                signal(child, "TERM");
                if !matches!(wait(child, GRACE), Ok(Some(_))) {
                    // Already gone is as good.
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        }
        if std::env::var_os("KEEP").is_some() {
            println!("     kept {}", self.dir.display());
        } else {
            // A folder in the system's temporary files that stays behind harms nobody.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// By the shell's own `kill`: the standard library only knows how to end a process without asking.
fn signal(child: &Child, name: &str) {
    let script = format!("kill -{name} {}", child.id());
    // It may have ended in between.
    let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
}

fn wait(child: &mut Child, limit: Duration) -> Result<Option<i32>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        sleep(Duration::from_millis(10));
    }
}

/// Runs a command to its end; gives exit code, stdout and stderr.
pub(crate) fn finish(command: &mut Command, limit: Duration) -> Result<(i32, String, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // What these commands print fits into a pipe, so it can be read after the end.
    let Some(code) = wait(&mut child, limit)? else {
        child.kill()?;
        child.wait()?;
        return Err(format!("still running after {} s", limit.as_secs()).into());
    };
    let output = child.wait_with_output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok((code, text(&output.stdout), text(&output.stderr)))
}

/// Asks again and again until it is so.
pub(crate) fn until(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if so() {
            return true;
        }
        sleep(Duration::from_millis(50));
    }
    so()
}

/// The first of `count` ports in a row that nobody uses, an even one, free for UDP and TCP on loopback.
pub(crate) fn ports(count: u16) -> Result<u16> {
    loop {
        let first = NEXT_PORT.fetch_add(count.next_multiple_of(2), Ordering::Relaxed);
        if first > LAST_PORT {
            return Err("no free ports left".into());
        }
        let free = |port| {
            TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok()
        };
        if (first..first + count).all(free) {
            return Ok(first);
        }
    }
}

/// Makes a certificate authority and a certificate that it signed, as `NAME.pem` and `NAME.key`; the authority is `NAME-ca.pem`.
pub(crate) fn certificate(dir: &Path, name: &str, alternative_names: &str) -> Result {
    let run = |args: &str| -> Result {
        let mut command = Command::new(which("openssl").ok_or("openssl is not installed")?);
        let (code, _, err) = finish(command.current_dir(dir).args(args.split(' ')), Duration::from_secs(20))?;
        if code == 0 { Ok(()) } else { Err(format!("openssl {args}: {err}").into()) }
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    run(&format!("req -x509 {key} -keyout {name}-ca.key -out {name}-ca.pem -subj /CN=interop-ca"))?;
    fs::write(
        dir.join(format!("{name}.ext")),
        format!(
            "subjectAltName={alternative_names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
        ),
    )?;
    run(&format!(
        "req {} -keyout {name}.key -out {name}.csr -subj /CN=interop",
        key.replace(" -days 2", "")
    ))?;
    run(&format!(
        "x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.pem"
    ))
}
