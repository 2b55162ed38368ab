# expect: fileinto Junk junk
require ["fileinto", "relational", "comparator-i;ascii-numeric", "imap4flags"];
if anyof(header :value "ge" :comparator "i;ascii-numeric" "x-spam-score" "5",
         header :contains "subject" ["viagra", "casino"]) {
  addflag "Junk"; fileinto "Junk"; stop;
}
