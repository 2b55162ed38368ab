# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
# expect: fileinto f
# expect: fileinto g
require ["editheader", "fileinto"];
addheader "X-New" "value"; addheader :last "X-Last" "last";
if header "x-new" "value" { fileinto "a"; }
deleteheader :index 1 "X-Multi";
if not header "x-multi" "one" { fileinto "b"; }
deleteheader :contains "X-Multi" "wo";
if not header "x-multi" "two" { fileinto "c"; }
if header "x-multi" "three" { fileinto "d"; }
deleteheader "Received";
if exists "received" { fileinto "e"; }
deleteheader "Subject";
if not exists "subject" { fileinto "f"; }
deleteheader :index 1 :last "X-Multi";
if not exists "x-multi" { fileinto "g"; }
