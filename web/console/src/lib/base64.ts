// Contents of messages come as base64: they are bytes, whatever their fields say.
export function decoded(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
