# expect: fileinto a
require ["fileinto", "subaddress"];
if address :user "from" "tim" { fileinto "a"; }
if address :detail "from" "" { fileinto "b"; }
if address :detail :contains "from" "" { fileinto "c"; }
if address :detail :matches "from" "*" { fileinto "d"; }
