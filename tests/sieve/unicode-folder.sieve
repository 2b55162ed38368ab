# expect: fileinto Grüße/München
require "fileinto";
fileinto "Grüße/München";
