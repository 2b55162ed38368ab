# expect: fileinto a
# expect: fileinto c
# expect: fileinto d
require ["date", "relational", "fileinto"];
if currentdate :value "ge" "year" "2024" { fileinto "a"; }
if currentdate :value "lt" "date" "2024-01-01" { fileinto "b"; }
if currentdate :matches "time" "??:??:??" { fileinto "c"; }
if currentdate :zone "+0530" "zone" "+0530" { fileinto "d"; }
