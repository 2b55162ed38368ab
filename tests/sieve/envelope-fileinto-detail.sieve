# to: ken+lists@example.org
# expect: fileinto lists
require ["fileinto", "envelope", "subaddress", "variables"];
if envelope :matches :detail "to" "*" { fileinto "${1}"; }
