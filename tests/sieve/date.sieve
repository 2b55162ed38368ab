# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
# expect: fileinto f
# expect: fileinto g
# expect: fileinto h
# expect: fileinto i
# expect: fileinto j
# expect: fileinto k
require ["date", "fileinto"];
if date :originalzone "date" "hour" "04" { fileinto "a"; }
if date :zone "+0000" "date" "hour" "09" { fileinto "b"; }
if date :zone "+0200" "date" "date" "2026-11-24" { fileinto "c"; }
if date :originalzone "date" "zone" "-0500" { fileinto "d"; }
if date :zone "+0100" "date" "weekday" "2" { fileinto "e"; }
if date :originalzone "date" "std11" "Tue, 24 Nov 2026 04:20:25 -0500" { fileinto "f"; }
if date :originalzone "date" "iso8601" "2026-11-24T04:20:25-05:00" { fileinto "g"; }
if date :zone "+0000" "date" "julian" "61368" { fileinto "h"; }
if date :zone "+0000" "date" "time" "09:20:25" { fileinto "i"; }
if date :originalzone "received" "minute" "20" { fileinto "j"; }
if date :originalzone "date" "year" ["2025", "2026"] { fileinto "k"; }
if date :originalzone "x-missing" "year" "2026" { fileinto "l"; }
