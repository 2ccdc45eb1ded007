// For web pages: uploads a file to S3 encrypted and downloads it again. The API key stays in your backend, which
// passes on the responses to POST /api/uploads (mode 'client') and POST /api/files/{id}/grant.

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

async function parameters({ key, iv, aad, tag_length }, usage) {
  const imported = await crypto.subtle.importKey('raw', bytes(key), 'AES-GCM', false, [usage]);
  const tagLength = 8 * tag_length;
  return [{ name: 'AES-GCM', iv: bytes(iv), additionalData: bytes(aad), tagLength }, imported];
}

async function send(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`storage returned ${response.status}`);
  return response.arrayBuffer();
}

/** Stores a File or Blob. Use each response for one file only: never encrypt a second file with its key. */
export async function upload({ url, method, headers, encryption }, file) {
  const [algorithm, key] = await parameters(encryption, 'encrypt');
  await send(url, { method, headers, body: await crypto.subtle.encrypt(algorithm, key, await file.arrayBuffer()) });
}

/** Returns the file's bytes. Throws unless all of them are exactly what was uploaded. */
export async function download({ url, encryption }) {
  const [algorithm, key] = await parameters(encryption, 'decrypt');
  return crypto.subtle.decrypt(algorithm, key, await send(url));
}
