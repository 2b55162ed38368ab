# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto e
require ["index", "fileinto", "variables"];
if header :index 2 "x-multi" "two" { fileinto "a"; }
if header :index 1 :last "x-multi" "three" { fileinto "b"; }
if header :index 3 :last "x-multi" "one" { fileinto "c"; }
if header :index 4 :matches "x-multi" "*" { fileinto "d"; }
if address :index 1 :localpart "to" "ken" { fileinto "e"; }
