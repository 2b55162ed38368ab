# message: list.eml
# expect: fileinto a
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
require ["date", "fileinto", "relational"];
if date :value "ge" :zone "+0000" "date" "date" "2026-07-05" { fileinto "a"; }
if date :value "lt" :zone "+0000" "date" "hour" "12" { fileinto "b"; }
if date :zone "+0200" "date" "day" "06" { fileinto "c"; }
if date :zone "+0000" "date" "month" "07" { fileinto "d"; }
if date :zone "+0000" "date" "second" "59" { fileinto "e"; }
