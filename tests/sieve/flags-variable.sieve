# expect: fileinto one \seen y
# expect: keep a b c
require ["imap4flags", "fileinto", "variables"];
set "v" "\\Seen x"; addflag "v" "y \\seen"; removeflag "v" "x";
fileinto :flags "${v}" "one";
addflag "w" ["a", "b"]; keep :flags ["${w}", "c"];
