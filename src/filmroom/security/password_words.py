"""Words that people make passwords of: what guessing programs try first. Compared after ``folded``."""

# English, pinyin and keyboard habits; the names of what the password opens; the words around a hospital.
_LINES = """
    abc abcd access account admin administrator amanda america andrew angel angels anthony apple ashley asdf asdfgh
    asdfghjkl august austin autumn awesome azerty baby banana barcelona baseball basketball batman beautiful bigdog
    blink boston brandon buster butter butterfly calvin camera carlos casino changeit changeme charlie cheese chelsea
    chicken chocolate christmas clinic coffee computer cookie corvette cowboy crystal dakota dallas daniel database
    david debbie december default demo dennis department diamond dicom doctor dolphin donald dragon eagle eagles
    edward elizabeth email family februari february fender ferrari filmroom fishing flower flowers football forever
    freedom friend friends fuckyou gandalf george ginger girl god golden golf google guest guitar hammer hannah happy
    harley heather hello hockey hospital house hunter iceman iloveyou imaging internet jackson james january jasmine
    jennifer jessica johnny jordan joseph joshua july june junior justin killer kitty knight letmein liverpool login
    london lovely lover loveme lucky maggie manager march marina marine marlboro martin master matrix matthew maverick
    medical melissa mercedes merlin michael michelle mickey midnight miller money monica monkey monster morgan mother
    mountain mustang my myspace naruto nascar nature newyork nicholas nicole november nurse ocean october office
    operator orange orthanc p pacs panther pass passphrase passw passwd password patient patrick peanut pepper phoenix
    player please pokemon porsche power prince princess private public purple qazwsx qwer qwert qwertz qwerty
    qwertyui qwertyuiop radiologist radiology rainbow ranger red reset richard robert rocket root rootroot rosebud
    sample samsung samantha scooter secret secure security september server service shadow silver simple smokey
    snoopy soccer spider spring staff star starwars steelers steven student summer sunday sunflower sunshine super
    superman support sweet system taylor teacher temp temporary tennis test tester testing thomas thunder tigger tiger
    trustno trustnoone unknown user username victoria viewer wachtwoord ward warrior welcome whatever william willkommen
    winner winter wizard wolf xray xrays yamaha yankees yellow zxcv zxcvb zxcvbn zxcvbnm
    aini beijing guangzhou huanying mima nihao qqqq shanghai shenzhen woaini woaiwojia woshi wo yiyuan yingxiang
    yisheng zhongguo zhongwen
"""
GUESSED = frozenset(_LINES.split())
