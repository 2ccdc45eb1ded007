"""Seed 2's way in Flask: a form's file, encrypted with Fernet under a new key that is returned in a header."""

import io

from cryptography.fernet import Fernet
from flask import Flask, request, send_file

application = Flask(__name__)


@application.post("/encrypt_file")
def encrypt_file():
    file = request.files["file"]
    key = Fernet.generate_key()
    sealed = io.BytesIO(Fernet(key).encrypt(file.read()))
    name = f"{file.filename}.enc"
    response = send_file(sealed, "application/octet-stream", as_attachment=True, download_name=name)
    response.headers["Encryption-Key"] = key.decode()
    return response
