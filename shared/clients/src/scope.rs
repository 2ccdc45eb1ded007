//! What an API key may do, and the scope that each route requires.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

macro_rules! scopes {
    ($($scope:ident = $name:literal, $allows:literal;)+) => {
        /// A permission of an API key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Scope {
            $(#[doc = $allows] $scope,)+
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &[Self] = &[$(Self::$scope),+];

            /// The name, as in records and problems.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$scope => $name,)+
                }
            }

            /// What it allows, in a few words.
            pub fn allows(self) -> &'static str {
                match self {
                    $(Self::$scope => $allows,)+
                }
            }
        }
    };
}

scopes! {
    ValuesEncrypt = "values:encrypt", "Encrypt users' values and compute digests";
    ValuesVerify = "values:verify", "Compare values and digests with data";
    ValuesDecrypt = "values:decrypt", "Decrypt reversible values";
    UsersAdmin = "users:admin", "Show, rotate and erase users' keys";
    FilesWrite = "files:write", "Store files";
    FilesRead = "files:read", "List, read and share files";
    FilesDelete = "files:delete", "Delete and purge files";
    Sessions = "sessions", "Encrypt and decrypt session files";
}

/// A route that requires an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, as in the router and in the OpenAPI document.
    pub path: &'static str,
    /// The scope that the key must have.
    pub scope: Scope,
}

/// Every route that requires an API key, with the scope it requires. Any other route that extracts
/// a [`Caller`](crate::Caller) refuses everybody.
pub const ROUTES: &[Route] = &[
    route("POST", "/encrypt", Scope::ValuesEncrypt),
    route("POST", "/verify", Scope::ValuesVerify),
    route("POST", "/decrypt", Scope::ValuesDecrypt),
    route("GET", "/users/{uuid}", Scope::UsersAdmin),
    route("DELETE", "/users/{uuid}", Scope::UsersAdmin),
    route("POST", "/users/{uuid}/rotate", Scope::UsersAdmin),
    route("POST", "/api/upload", Scope::FilesWrite),
    route("POST", "/api/upload/", Scope::FilesWrite),
    route("POST", "/api/uploads", Scope::FilesWrite),
    route("POST", "/api/uploads/parts", Scope::FilesWrite),
    route("POST", "/api/uploads/complete", Scope::FilesWrite),
    route("POST", "/api/uploads/abort", Scope::FilesWrite),
    route("GET", "/api/files", Scope::FilesRead),
    route("GET", "/api/files/{id}", Scope::FilesRead),
    route("POST", "/api/files/{id}/grant", Scope::FilesRead),
    route("DELETE", "/api/files/{id}", Scope::FilesDelete),
    route("POST", "/encrypt_file", Scope::Sessions),
    route("POST", "/decrypt_file", Scope::Sessions),
];

const fn route(method: &'static str, path: &'static str, scope: Scope) -> Route {
    Route {
        method,
        path,
        scope,
    }
}

impl Scope {
    /// The scope that a route requires, if the route is in [`ROUTES`].
    pub fn of_route(method: &str, path: &str) -> Option<Self> {
        // A router serves HEAD wherever it serves GET.
        let method = if method == "HEAD" { "GET" } else { method };
        let mut routes = ROUTES.iter();
        let route = routes.find(|route| route.method == method && route.path == path);
        route.map(|route| route.scope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(name: &str) -> Result<Self, InvalidScope> {
        let mut all = Self::ALL.iter().copied();
        all.find(|scope| scope.name() == name).ok_or(InvalidScope)
    }
}

/// The text is not the name of a [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidScope;

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        write!(f, "the scopes are {}", names.join(", "))
    }
}

impl std::error::Error for InvalidScope {}

/// A set of scopes, written as an array of names in the order of [`Scope::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// The set of every scope.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Whether the set contains this scope.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// The scopes in the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let all = Scope::ALL.iter().copied();
        all.filter(move |scope| self.contains(*scope))
    }
}

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().map(bit).fold(0, |set, bit| set | bit))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::name))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let scopes = names.iter().map(|name| name.parse::<Scope>());
        scopes.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}
