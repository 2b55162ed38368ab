# expect: fileinto quick brown|i|brown
# expect: fileinto c
# expect: fileinto d
# expect: fileinto [][quick]
# expect: fileinto e
# expect: fileinto f
require ["regex", "fileinto", "variables"];
if header :regex "subject" "QU(i|o)ck ([a-z]+)" { fileinto "${0}|${1}|${2}"; }
if header :regex :comparator "i;octet" "subject" "QUICK" { fileinto "b"; }
if header :regex "subject" "^The.*fox$" { fileinto "c"; }
if header :regex "x-spam-score" "^[5-9]\\.[0-9]{2}$" { fileinto "d"; }
if header :regex "subject" "(slow)?(quick)" { fileinto "[${1}][${2}]"; }
if not header :regex "subject" ["dog", "cat|mouse"] { fileinto "e"; }
if address :regex :domain "cc" "^[[:alpha:].]+$" { fileinto "f"; }
