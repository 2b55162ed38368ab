# expect: fileinto a
# expect: fileinto b
require "fileinto";
if header :is "x-multi" "three" { fileinto "a"; }
if header :is ["x-none", "x-multi"] ["four", "two"] { fileinto "b"; }
if header :is "x-multi" ["four", "five"] { fileinto "c"; }
