//! The users a server knows, by what stands for their passwords.

use std::collections::BTreeMap;
use std::fmt;

use sip_msg::Text;
use zeroize::Zeroize;

use super::digest::{Algorithm, HexHash};

/// What stands for a user's password in one realm: the hash `H(user:realm:password)` of each algorithm.
///
/// It is as good as the password in that realm, and nowhere else. `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub struct Secret {
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    sha512_256: Option<[u8; 32]>,
}

impl Secret {
    /// From the password.
    #[must_use]
    pub fn of_password(username: &str, realm: &str, password: &str) -> Self {
        let hash = |algorithm: Algorithm| algorithm.secret(username, realm, password);
        Self {
            md5: HexHash::octets(&hash(Algorithm::Md5)),
            sha256: HexHash::octets(&hash(Algorithm::Sha256)),
            sha512_256: HexHash::octets(&hash(Algorithm::Sha512_256)),
        }
    }

    /// Adds a hash that was stored in hexadecimal (`HA1`). `None` if it has not as many digits as the algorithm's hashes.
    ///
    /// A user has to be asked for an algorithm that its hash is there for.
    #[must_use]
    pub fn with_hash(mut self, algorithm: Algorithm, hash: &str) -> Option<Self> {
        match algorithm.base() {
            Algorithm::Sha256 | Algorithm::Sha256Sess => self.sha256 = Some(HexHash::octets(hash)?),
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => {
                self.sha512_256 = Some(HexHash::octets(hash)?)
            }
            Algorithm::Md5 | Algorithm::Md5Sess => self.md5 = Some(HexHash::octets(hash)?),
        }
        Some(self)
    }

    pub(super) fn hash(&self, algorithm: Algorithm) -> Option<HexHash> {
        match algorithm.base() {
            Algorithm::Sha256 | Algorithm::Sha256Sess => self.sha256.as_ref().map(|hash| HexHash::new(hash)),
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => {
                self.sha512_256.as_ref().map(|hash| HexHash::new(hash))
            }
            Algorithm::Md5 | Algorithm::Md5Sess => self.md5.as_ref().map(|hash| HexHash::new(hash)),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.md5.zeroize();
        self.sha256.zeroize();
        self.sha512_256.zeroize();
    }
}

/// Whom credentials claim to be from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim<'a> {
    /// A user by its name.
    Name(&'a str),
    /// A user whose name was hashed: it is the one for whom [`Algorithm::userhash`] gives this ([RFC 7616 §3.4.4]).
    ///
    /// [RFC 7616 §3.4.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.4
    Hash(Algorithm, &'a str),
}

/// The users of a realm.
#[derive(Clone, Default)]
pub(super) struct Users {
    secrets: BTreeMap<Text, Secret>,
    /// Who is who, for hashed user names; only where those are asked for.
    hashes: Option<BTreeMap<Text, Text>>,
}

impl Users {
    pub(super) fn add(&mut self, realm: &str, name: Text, secret: Secret) {
        if let Some(hashes) = &mut self.hashes {
            index(hashes, realm, &name);
        }
        self.secrets.insert(name, secret);
    }

    /// Makes users known by their hashes too.
    pub(super) fn index(&mut self, realm: &str) {
        let mut hashes = BTreeMap::new();
        self.secrets.keys().for_each(|name| index(&mut hashes, realm, name));
        self.hashes = Some(hashes);
    }

    pub(super) fn find(&self, claim: Claim<'_>) -> Option<(Text, Secret)> {
        let name = match claim {
            Claim::Name(name) => name,
            Claim::Hash(_, hash) => self.hashes.as_ref()?.get(hash.to_ascii_lowercase().as_str())?,
        };
        let (name, secret) = self.secrets.get_key_value(name)?;
        Some((name.clone(), secret.clone()))
    }
}

fn index(hashes: &mut BTreeMap<Text, Text>, realm: &str, name: &Text) {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        hashes.insert((&*algorithm.userhash(name, realm)).into(), name.clone());
    }
}
