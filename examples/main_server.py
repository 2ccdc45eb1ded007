"""A main server that keeps its users' e-mail addresses encrypted through CaaS.

    CAAS_URL=http://localhost:5000 CAAS_API_KEY=... python3 main_server.py [PORT | --check]

POST /users {"email": ...}, GET /users?email=..., DELETE /users/{id}. The database holds
each address twice, never in plaintext: as a value that only its owner's key decrypts, and as a digest
for lookups.
"""
import json, os, sqlite3, sys, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

# All digests for lookups belong to this one "user". Generate your own UUID, keep it, and never rotate or
# shred it: you could not find any address after that.
INDEX = "7d3c1a52-5f0e-4b8e-9a41-6c2e8f7b0d19"

def caas(method, path, **fields):
    url, body = os.environ["CAAS_URL"] + path, json.dumps(fields).encode() if fields else None
    headers = {"x-api-key": os.environ["CAAS_API_KEY"], "content-type": "application/json"}
    with urlopen(Request(url, body, headers, method=method)) as response:
        return json.loads(response.read() or "null")

def index_of(email):  # the same address must give the same digest
    fields = {"userUUID": INDEX, "sensitiveData": email.strip().lower()}
    return caas("POST", "/encrypt", **fields)["encrypted_data"]

def open_database(path):
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    db.execute("CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, email TEXT, email_index TEXT UNIQUE)")
    return db

def add_user(db, email):
    user = str(uuid.uuid4())
    fields = {"userUUID": user, "sensitiveData": email, "cipher": "aes-256-gcm"}
    encrypted = caas("POST", "/encrypt", **fields)["encrypted_data"]
    db.execute("INSERT INTO users VALUES (?, ?, ?)", (user, encrypted, index_of(email)))
    return {"id": user}

def find_user(db, email):
    query = "SELECT id, email FROM users WHERE email_index = ?"
    for user, encrypted in db.execute(query, (index_of(email),)).fetchall():
        opened = caas("POST", "/decrypt", userUUID=user, encryptedData=encrypted)
        return {"id": user, "email": opened["sensitive_data"]}

def erase_user(db, user):
    # The digest is under the index's key, which stays: delete it from the database itself.
    db.execute("UPDATE users SET email = NULL, email_index = NULL WHERE id = ?", (user,))
    caas("DELETE", f"/users/{user}")  # from now on, no backup of the database reveals the address either

class Handler(BaseHTTPRequestHandler):
    def respond(self):
        url, length = urlsplit(self.path), int(self.headers.get("content-length", 0))
        match self.command:
            case "POST": found = add_user(self.server.db, json.loads(self.rfile.read(length))["email"])
            case "DELETE": found = erase_user(self.server.db, str(uuid.UUID(url.path.split("/")[-1]))) or {}
            case _: found = find_user(self.server.db, parse_qs(url.query)["email"][0])
        self.send_response(200 if found is not None else 404)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())
    do_GET = do_POST = do_DELETE = respond

def check():
    db = open_database(":memory:")
    ada, bob = (add_user(db, email)["id"] for email in ("Ada@example.org", "bob@example.org"))
    stored = repr(db.execute("SELECT * FROM users").fetchall())
    assert "example" not in stored, "an address is stored in plaintext"
    assert find_user(db, " ada@EXAMPLE.org") == {"id": ada, "email": "Ada@example.org"}
    assert find_user(db, "nobody@example.org") is None
    erase_user(db, ada)
    assert find_user(db, "ada@example.org") is None
    assert find_user(db, "bob@example.org") == {"id": bob, "email": "bob@example.org"}
    assert (ada, None, None) in db.execute("SELECT * FROM users"), "something is left behind"
    print("users are stored, found and erased")

if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(check())
    server = ThreadingHTTPServer(("127.0.0.1", int((sys.argv + ["8000"])[1])), Handler)
    server.db = open_database("users.db")
    server.serve_forever()
