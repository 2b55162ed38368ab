# message: odd.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto d
# expect: fileinto e
require "fileinto";
if header :matches "x-star" "a\\*b\\?c*d" { fileinto "a"; }
if header :matches "x-star" "a\\*b\\?c\\\\d" { fileinto "b"; }
if header :matches "x-star" "a\\xb*" { fileinto "c"; }
if header :is "x-star" "a*b?c\\d" { fileinto "d"; }
if header :contains "x-star" "*b?" { fileinto "e"; }
