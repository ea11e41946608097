//! Port configurations: the lossless reading, editing and writing of BizTalk binding files.
