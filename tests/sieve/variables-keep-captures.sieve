# expect: fileinto The | brown fox
require ["fileinto", "variables"];
if header :matches "subject" "*quick*" { }
if header :matches "subject" "*nothing*" { }
if header :contains "subject" "quick" { }
fileinto "${1}|${2}";
