# expect: fileinto one \deleted b
# expect: fileinto two c d
# expect: fileinto three
require ["imap4flags", "fileinto"];
setflag ["\\Deleted $a", "b"]; removeflag "$A";
fileinto "one"; fileinto :flags "c d" "two"; fileinto :flags "" "three";
