# message: multipart.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
require ["fileinto", "subaddress"];
if address :user "from" "anna" { fileinto "a"; }
if address :detail "from" "work" { fileinto "b"; }
if address :detail "bcc" ["lists"] { fileinto "c"; }
if address :localpart "from" "anna+work" { fileinto "d"; }
if address :user "from" "anna+work" { fileinto "e"; }
