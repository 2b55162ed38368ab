"""SCRAM, the client's half (RFC 5802, RFC 7677), computed by hashlib alone."""
import base64
import hashlib
import hmac


class Scram:
    """One exchange. binding: the tls-unique bytes of the connection, for the mechanisms that end with -PLUS."""

    def __init__(self, mechanism, user, password, binding=None):
        self.hash = "sha256" if "SHA-256" in mechanism else "sha1"
        self.password = password.encode()
        self.header = "p=tls-unique,," if binding else "n,,"
        self.bound = base64.b64encode(self.header.encode() + (binding or b"")).decode()
        self.bare = f"n={user},r=abc"

    def mac(self, key, text):
        return hmac.digest(key, text.encode(), self.hash)

    def first(self):
        return self.header + self.bare

    def answer(self, said=None):
        """What smtplib.SMTP.auth asks for, message by message."""
        if said is None:
            return self.first()
        if said.startswith(b"v="):
            assert said.decode() == self.proof
            return ""
        return self.final(said.decode())

    def final(self, challenge):
        """The answer to the server's first message; afterwards `proof` is what the server must say."""
        nonce, salt, rounds = (part.split("=", 1)[1] for part in challenge.split(","))
        key = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(salt), int(rounds))
        final = f"c={self.bound},r={nonce}"
        about = f"{self.bare},{challenge},{final}"
        client = self.mac(key, "Client Key")
        proof = bytes(a ^ b for a, b in zip(client, self.mac(hashlib.new(self.hash, client).digest(), about)))
        self.proof = "v=" + base64.b64encode(self.mac(self.mac(key, "Server Key"), about)).decode()
        return f"{final},p={base64.b64encode(proof).decode()}"
