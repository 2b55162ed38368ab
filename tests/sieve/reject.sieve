# from: tim@example.com
# expect: reject I do not want this.
require "reject";
reject "I do not want this.";
