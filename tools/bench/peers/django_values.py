"""Seed 1's way in Django: a view that selects a hash function and a salt by the user's UUID, and hashes. No middleware,
no database and no log, which is the least that Django can do."""

import hashlib
import hmac
import json
import uuid

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path

API_KEY = "the key"
CIPHERS = ["blake2b", "sha256", "sha512", "sha3_256"]
SALTS = [8, 16, 32, 64]
SECRET = b"a secret of the server, from which salts are made"

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="unused", MIDDLEWARE=[], LOGGING_CONFIG=None)
django.setup()


def encrypt(request):
    if request.method != "POST":
        return JsonResponse({"error": "POST"}, status=405)
    body = json.loads(request.body)
    if not hmac.compare_digest(body["apiKey"], API_KEY):
        return JsonResponse({"error": "API key"}, status=401)
    user = uuid.UUID(body["userUUID"]).bytes
    cipher, length = CIPHERS[user[0] % len(CIPHERS)], SALTS[user[1] % len(SALTS)]
    salt = hashlib.sha512(SECRET + user).digest()[:length]
    digest = hashlib.new(cipher, salt + body["sensitiveData"].encode()).hexdigest()
    return JsonResponse({"encrypted_data": digest})


urlpatterns = [path("encrypt", encrypt)]
application = WSGIHandler()
