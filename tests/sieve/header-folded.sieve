# expect: fileinto space
require "fileinto";
if header :is "x-long" "this header field goes on in a second line" { fileinto "space"; }
if header :is "x-long" "this header field goes on	in a second line" { fileinto "tab"; }
