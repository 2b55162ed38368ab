# expect: fileinto a \seen a b
# expect: fileinto b \seen a b
# expect: fileinto c \seen a b
# expect: fileinto d \seen a b
# expect: fileinto f \seen a b
require ["imap4flags", "fileinto", "relational", "comparator-i;ascii-numeric", "variables"];
setflag "\\Seen a b"; setflag "v" "other";
if hasflag "\\seen" { fileinto "a"; }
if hasflag :contains "EE" { fileinto "b"; }
if hasflag :count "eq" :comparator "i;ascii-numeric" "3" { fileinto "c"; }
if hasflag :is ["v"] "other" { fileinto "d"; }
if hasflag "c" { fileinto "e"; }
if hasflag :matches "v" "o*" { fileinto "f"; }
