# expect: fileinto quick/brown/fox
# expect: fileinto The quick brown fox!The quick !r! fox!
# expect: fileinto wo
require ["fileinto", "variables"];
if header :matches "subject" "The * * *" { fileinto "${1}/${2}/${3}"; }
if header :matches "subject" "*b?own*" { fileinto "${0}!${1}!${2}!${3}!${4}"; }
if header :matches "x-multi" "t*" { fileinto "${1}"; }
if header :matches "x-missing" "*" { fileinto "never"; }
fileinto "${1}";
