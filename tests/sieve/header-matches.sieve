# expect: fileinto a
# expect: fileinto b
# expect: fileinto d
# expect: fileinto e
# expect: fileinto h
# expect: fileinto j
require "fileinto";
if header :matches "subject" "the * fox" { fileinto "a"; }
if header :matches "subject" "The*brown*" { fileinto "b"; }
if header :matches "subject" "The" { fileinto "c"; }
if header :matches "subject" "*" { fileinto "d"; }
if header :matches "subject" "The quick brown fo?" { fileinto "e"; }
if header :matches "subject" "???" { fileinto "f"; }
if header :matches "subject" "*fo?x" { fileinto "g"; }
if header :matches "subject" "*o*o*x" { fileinto "h"; }
if header :matches "x-missing" "*" { fileinto "i"; }
if header :matches "x-empty" "*" { fileinto "j"; }
if header :matches "x-empty" "?" { fileinto "k"; }
