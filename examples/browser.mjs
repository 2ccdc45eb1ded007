// For web pages: a file goes to S3 encrypted, and comes back. The API key stays in your backend, which
// passes on what POST /api/uploads (mode 'client') and POST /api/files/{id}/grant answer.

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

async function parameters({ key, iv, aad, tag_length }, usage) {
  const imported = await crypto.subtle.importKey('raw', bytes(key), 'AES-GCM', false, [usage]);
  const tagLength = 8 * tag_length;
  return [{ name: 'AES-GCM', iv: bytes(iv), additionalData: bytes(aad), tagLength }, imported];
}

async function sent(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`the storage answers ${answer.status}`);
  return answer.arrayBuffer();
}

/** Stores a File or Blob. One answer is for one file: never encrypt another with it. */
export async function upload({ url, method, headers, encryption }, file) {
  const [algorithm, key] = await parameters(encryption, 'encrypt');
  await sent(url, { method, headers, body: await crypto.subtle.encrypt(algorithm, key, await file.arrayBuffer()) });
}

/** The file's bytes. Throws unless all of them are what was uploaded. */
export async function download({ url, encryption }) {
  const [algorithm, key] = await parameters(encryption, 'decrypt');
  return crypto.subtle.decrypt(algorithm, key, await sent(url));
}
