# expect: keep good \answered
require ["imap4flags"];
setflag ["\\Unknown", "a(b", "good", "\\answered", "a{b", "%"]; keep;
