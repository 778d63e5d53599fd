/** Words that searching knows: particles, endings, and what says nothing of a question's subject. Generated. */

/** Particles that follow a final consonant. */
export const AFTER_FINAL = `
  으로는 으로도 으로 이라는 이란 이나 은 을 과 이
`.trim().split(/\s+/);

/** Particles that follow a vowel. */
export const AFTER_VOWEL = `
  라는 란 는 를 와 가 로
`.trim().split(/\s+/);

/** Particles that follow either. */
export const AFTER_ANY = `
  에서는 에서도 에서 에게서 에게 에는 에도 까지 부터 처럼 보다 마다 의 에
`.trim().split(/\s+/);

/** What ends a verb. */
export const ENDINGS = `
  하려면 하는지 하는데 하나요 할까요 합니다 합니까 해야 하면 하는 하고 하기 할때 했을때 했는데 했을 해요 할 한 되나요 되는지 됩니다 되면 되는 된 돼요 인가요 인지 입니까 이에요 예요 나요
  는데요 는데 지만 니까 려고 려면 면서 거나 네요 습니다 습니까
`.trim().split(/\s+/);

const NOTHING = `
  a about am an and are at be by can could did do does for from had has have how i if in is it its me my of on
  or our please should tell that the there this to was we were what when where which who why will with would
  you your 가끔 가능 가능한가요 가능해요 갑자기 같습니다 같아서 같아요 같은 같은데 거 건가요 것 게 계속 고르나요 골라야 관한 괜찮나요 괜찮은가요 궁금합니다 궁금해요 그 그냥 그런
  그런가요 그리고 금방 꼭 나는 나는데 나면 나와요 나요 나을까 나을까요 너무 누가 누구 다른가요 다시 대한 대해 더 돼서 돼요 됐는데 됐어요 되나요 되는 되는데 되는지 되면 되었어요 되죠 될
  될까요 될지 됩니까 때 때문 때문에 또는 많이 맞나요 매번 먹어도 먼저 며칠 며칠까지 몇 못 무슨 무엇 무엇을 무엇이 무엇인가요 뭐 뭐가 뭐예요 뭔가요 뭘 뭘까요 및 번까지 부탁해요 수 심해요
  싶습니다 싶어 싶어요 싶은데 써도 써야 쓰나요 쓰면 아직 안 않나요 않는 않아요 알고 알려주세요 알려줘 어느 어디 어디까지 어디서 어디에 어떡하죠 어떤 어떤게 어떻게 어쩌죠 언제 언제까지 얼마
  얼마까지 얼마나 없나요 없는데 없어요 없으면 없을까요 오는 오늘 왜 요즘 위한 위해 이 이런 이유 인가 인가요 인데 인지 일까 일까요 있나요 있는 있는데 있습니까 있어요 있으면 있을 있을까요
  자꾸 자주 잘 저 저런 저희 정말 제가 조금 좀 좋나요 좋은가요 좋을까요 좋을지 주세요 중 중에 지금 하나 하나요 하는 하는지 하니까 하려면 하면 하죠 할 할까요 할지 항상 해도 해서 해야 해요
  했는데 혹시
`.trim().split(/\s+/);

/** Left out unless nothing else is there. */
export const SAYS_NOTHING = new Set(NOTHING);
