# message: list.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto e
require "fileinto";
if header :is "subject" "[Dev] Grüße aus München" { fileinto "a"; }
if header :contains "from" "Jürgen" { fileinto "b"; }
if header :contains "subject" "GRÜSSE" { fileinto "c"; }
if header :matches "subject" "* M?nchen" { fileinto "d"; }
if header :matches "subject" "* M??nchen" { fileinto "e"; }
