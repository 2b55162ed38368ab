# message: odd.eml
# expect: keep
require ["date", "fileinto"];
if date :matches "date" "year" "*" { fileinto "a"; }
keep;
