"""Seed 3's way in Django: a form's file, encrypted with AES-256-GCM under a data key of KMS, put to S3 by boto3 with the
wrapped key in the metadata."""

import base64
import os
import uuid

import boto3
import django
from botocore.config import Config
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="unused", MIDDLEWARE=[], LOGGING_CONFIG=None,
    FILE_UPLOAD_HANDLERS=["django.core.files.uploadhandler.MemoryFileUploadHandler"],
    FILE_UPLOAD_MAX_MEMORY_SIZE=64 << 20,
)
django.setup()

CONFIG = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
S3, KMS = boto3.client("s3", config=CONFIG), boto3.client("kms", config=CONFIG)
BUCKET, KEY = os.environ["VAULT_BUCKET"], os.environ["FILE_KEY_ID"]


def upload(request):
    file = request.FILES["file"]
    name = f"django/{uuid.uuid4()}/{file.name}"
    key = KMS.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext={"object": name})
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(key["Plaintext"]).encrypt(nonce, file.read(), None)
    wrapped = base64.b64encode(key["CiphertextBlob"]).decode()
    S3.put_object(Bucket=BUCKET, Key=name, Body=sealed, Metadata={"key": wrapped})
    return JsonResponse({"message": "File uploaded and encrypted successfully", "id": name}, status=201)


urlpatterns = [path("api/upload/", upload)]
application = WSGIHandler()
