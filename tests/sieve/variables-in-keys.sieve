# expect: fileinto a
# expect: fileinto b
require ["fileinto", "variables"];
set "k" "quick"; set "h" "subject";
if header :contains "subject" "${k}" { fileinto "a"; }
if header :contains "${h}" "${k}" { fileinto "b"; }
